// Does not compile: boost/serialization/list.hpp is missing, deep inside the value.
#include <boost/serialization/vector.hpp>
#include <list>
#include <string>
#include <vector>

#include "lib/shm/domain.h"

struct guest {
  std::string name;
  std::vector<std::list<int>> seats;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & name & seats;
  }
};

int main() {
  auto domain = shmark::domain<>::open();
  auto first = domain->make_ref(guest{});
  return first ? 0 : 1;
}
