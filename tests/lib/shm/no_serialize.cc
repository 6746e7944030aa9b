// Does not compile: nothing says what a point consists of.
#include "lib/shm/domain.h"

struct point {
  double x = 0, y = 0;
};

int main() {
  auto domain = shmark::domain<>::open();
  auto where = domain->variable<point>("where");
  return where->write({1, 2}) ? 0 : 1;
}
