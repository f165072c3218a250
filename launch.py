"""Command line of actjax in a checkout: trains a network, scores its neurons against audio features, reports.

python launch.py                                        # the quickstart, all stages
python launch.py --config=configs/quickstart.py --workdir=runs/mine --config.train.steps=200
python launch.py --workdir=runs/mine --stage=score --config.score.metrics=pearson,cka
python launch.py --list=metrics

Once it is installed, `actjax` does the same.
"""

from actjax.command import program

if __name__ == "__main__":
    program.start()
