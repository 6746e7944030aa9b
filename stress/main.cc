// bazel run -c opt //stress -- [flags]: see --help.

#include "stress/program.h"
#include "stress/stress.h"

int main(int argc, char** argv) {
  return shmark::stress::main_of("//stress", shmark::stress::scenarios(), argc, argv);
}
