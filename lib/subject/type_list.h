// A list of types, for suites, benchmarks and scenarios to iterate: a further subject is one line.
#pragma once

namespace shmark {

template <class... Types>
struct type_list {};

// Calls visit.template operator()<T>() for each type, in order.
template <class... Types, class F>
constexpr void for_each_type(type_list<Types...>, F&& visit) {
  (visit.template operator()<Types>(), ...);
}

}  // namespace shmark
