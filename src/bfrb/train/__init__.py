"""Training. The package itself can be called: `bfrb.train(recordings, out="model")` (`in_python.train`)."""

from bfrb.parts import make_callable

make_callable(__name__, "bfrb.train.in_python", "train")
