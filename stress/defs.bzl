"""Stress runs as tests: of the scenarios here, and of yours.

    load("//stress:defs.bzl", "shmark_stress_test")

    shmark_stress_test(
        name = "my_lock_stress_test",
        args = ["--scenario=counter", "--workers=8", "--seconds=3"],
        program = ":my_lock_stress",  # a cc_binary; see stress/program.h
        shard_count = 4,
    )

It passes if the run's verdict is "passed": a run in which no fault could land does not. Each shard has
a seed of its own, which it prints, and leaves its result file in the test's undeclared outputs.
--config=soak makes each of them last ten minutes.
"""

def _stress_test(ctx):
    test = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = test,
        target_file = ctx.executable.program,
        is_executable = True,
    )
    return [DefaultInfo(
        executable = test,
        runfiles = ctx.attr.program[DefaultInfo].default_runfiles,
    )]

shmark_stress_test = rule(
    implementation = _stress_test,
    attrs = {
        "program": attr.label(
            default = "//stress",
            cfg = "target",
            executable = True,
        ),
    },
    test = True,
)
