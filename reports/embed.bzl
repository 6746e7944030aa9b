"""Files inside a program, so that what it writes needs nothing beside it."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def embed(name, src, visibility = None):
    """A library with `name.h`: std::string_view shmark::reports::embedded::name, the bytes of src.

    Only coreutils are used. Numbers instead of a string literal: compilers limit the latter's size,
    and some contents end it.
    """
    native.genrule(
        name = name + "_source",
        srcs = [src],
        outs = [name + ".h", name + ".cc"],
        cmd = """
            header=$(location {name}.h)
            source=$(location {name}.cc)
            {{
              echo '#pragma once'
              echo '#include <string_view>'
              echo 'namespace shmark::reports::embedded {{ extern const std::string_view {name}; }}'
            }} > $$header
            {{
              echo '#include <string_view>'
              echo 'namespace shmark::reports::embedded {{'
              echo 'namespace {{ constexpr unsigned char bytes[] = {{'
              od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g'
              echo '}}; }}'
              echo 'extern const std::string_view {name};'
              echo 'const std::string_view {name}(reinterpret_cast<const char*>(bytes), sizeof bytes);'
              echo '}}'
            }} > $$source
        """.format(name = name),
    )
    cc_library(
        name = name,
        srcs = [name + ".cc"],
        hdrs = [name + ".h"],
        visibility = visibility,
    )
