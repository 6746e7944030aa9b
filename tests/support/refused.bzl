"""Programs that must not compile, for tests of what the compiler then says."""

def _what_the_compiler_says(ctx):
    compiler = ctx.attr._compiler[cc_common.CcToolchainInfo]
    context = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    context = context.compilation_context
    arguments = ctx.actions.args()
    arguments.add(compiler.compiler_executable)
    arguments.add_all(ctx.fragments.cpp.cxxopts)
    arguments.add_all(["-fsyntax-only", "-I."])
    for folders in [context.includes, context.quote_includes, context.system_includes]:
        arguments.add_all(folders, before_each = "-isystem")
    arguments.add(ctx.file.src)
    ctx.actions.run_shell(
        inputs = depset([ctx.file.src], transitive = [context.headers, compiler.all_files]),
        outputs = [ctx.outputs.said],
        arguments = [arguments],
        command = "! LC_ALL=C \"$@\" >%s 2>&1" % ctx.outputs.said.path,
        mnemonic = "Refuse",
        progress_message = "Having %s refused" % ctx.file.src.short_path,
        use_default_shell_env = True,
    )

refused = rule(
    doc = "`name.said` has what the compiler says of `src`. Fails to build where it takes it.",
    implementation = _what_the_compiler_says,
    attrs = {
        "src": attr.label(allow_single_file = [".cc"], mandatory = True),
        "deps": attr.label_list(providers = [CcInfo]),
        "_compiler": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    outputs = {"said": "%{name}.said"},
)
