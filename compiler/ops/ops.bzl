"""The operators: every x.cc of this folder is one, and every x_test.cc its test. Nothing is listed by name."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")

def operators(name):
    """A library that registers every operator by being linked, and a test for each x_test.cc."""
    cc_library(
        name = name,
        srcs = native.glob(["*.cc"], exclude = ["*_test.cc"]),
        hdrs = native.glob(["*.h"]),
        alwayslink = True,
        deps = [
            "//compiler/opdef",
            "//runtime/core",
            "//third_party:absl",
        ],
    )
    for src in native.glob(["*_test.cc"]):
        cc_test(
            name = src[:-len(".cc")],
            size = "small",
            srcs = [src],
            deps = [
                ":" + name,
                "//compiler/ops/testing",
                "//runtime/kernels",
                "//third_party:gtest",
            ],
        )
