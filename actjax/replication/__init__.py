"""One network on two sound fonts: do findings and best neurons survive other recordings of the same notes?"""
