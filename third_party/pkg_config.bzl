"""Makes a cc_library of an installed system library, from what pkg-config says of it."""

def _run(repository_ctx, arguments):
    result = repository_ctx.execute(["pkg-config"] + arguments)
    if result.return_code != 0:
        fail("pkg-config %s: %s(run tools/setup.sh?)" % (" ".join(arguments), result.stderr))
    return [word for word in result.stdout.replace("\n", " ").split(" ") if word]

def _pkg_config_library_impl(repository_ctx):
    modules = repository_ctx.attr.modules
    if not repository_ctx.attr.static:
        linkopts = _run(repository_ctx, ["--libs"] + modules)
    else:
        folder = _run(repository_ctx, ["--variable=libdir", modules[0]])[0]
        linkopts = []
        for word in _run(repository_ctx, ["--static", "--libs"] + modules):
            archive = "lib%s.a" % word[2:]
            if word.startswith("-labsl_") and repository_ctx.path(folder + "/" + archive).exists:
                word = "-l:" + archive
            if word not in linkopts:
                linkopts.append(word)

        # The group makes the order of the archives irrelevant.
        linkopts = ["-Wl,--start-group"] + linkopts + ["-Wl,--end-group"]
    repository_ctx.file("BUILD.bazel", """\
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "library",
    linkopts = %r,
    visibility = ["//visibility:public"],
)
""" % linkopts)

pkg_config_library = repository_rule(
    implementation = _pkg_config_library_impl,
    attrs = {
        "modules": attr.string_list(mandatory = True, doc = "pkg-config module names"),
        "static": attr.bool(doc = "link the archives where they are installed"),
    },
    # What is installed may change without a change here, so look again whenever Bazel starts.
    configure = True,
    local = True,
)
