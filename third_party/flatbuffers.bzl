"""flatbuffer_cc_library: C++ headers from FlatBuffers schemas."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def flatbuffer_cc_library(name, srcs, deps_srcs = [], deps = [], visibility = None, **kwargs):
    """Compiles x.fbs to x_generated.h, included from the workspace root: "schema/x_generated.h".

    A schema includes another one by its path from the workspace root, `include "schema/y.fbs";`.

    Args:
      name: the cc_library.
      srcs: schemas of this package; each yields one header.
      deps_srcs: labels of schemas that srcs include and that other targets compile.
      deps: the flatbuffer_cc_library targets of deps_srcs.
      visibility: of the cc_library.
      **kwargs: further attributes for the cc_library (testonly, tags, ...).
    """
    headers = [src.replace(".fbs", "_generated.h") for src in srcs]
    common = {key: kwargs[key] for key in ["testonly", "tags"] if key in kwargs}
    native.genrule(
        name = name + "_headers",
        srcs = srcs + deps_srcs,
        outs = headers,
        cmd = " ".join(
            ["flatc --cpp --scoped-enums --keep-prefix -I . -o $(RULEDIR)"] +
            ["$(location %s)" % src for src in srcs],
        ),
        message = "Compiling FlatBuffers schema",
        visibility = ["//visibility:private"],
        **common
    )
    cc_library(
        name = name,
        hdrs = headers,
        deps = deps + ["//third_party:flatbuffers"],
        visibility = visibility,
        **kwargs
    )
