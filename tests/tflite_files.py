"""Shorthands for tests of .tflite files: a scheme applied, and one pass run."""

from deploy.target import Wanted, Work, run_passes
from deploy.tflite.model import pack, unpack
from deploy.tflite.passes.unread import drop_unread
from deploy.tflite.pipeline import PASSES, make


def quantised(content, samples=None, scheme="static_w8a8", without=(), **options):
    """A float file in another scheme, its graph as the library leaves it, no weights merged."""
    work = Work(unpack(content), Wanted(scheme, samples, **options))
    left_out = {"merged_weights", *without}
    run_passes([step for step in PASSES if step.name not in left_out], work)
    return pack(work.model)


def exported(content, samples=None, scheme="static_w8a8", tune="xnnpack", **options):
    """The whole way."""
    return make(content, Wanted(scheme, samples, tune=tune, **options))[0]


def passed(step, content):
    """One pass over a file."""
    model = unpack(content)
    step(model)
    return whole(model)


def plain(content):
    """The file as a pass would leave it that changes nothing."""
    return whole(unpack(content))


def whole(model):
    drop_unread(model)
    return pack(model)
