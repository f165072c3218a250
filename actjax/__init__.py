"""actjax: which hand-crafted audio feature does each neuron listen to?"""
