#include "tools/shmctl/type.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <typeinfo>
#include <unordered_map>
#include <vector>

#include "lib/shm/variable.h"

namespace shmark::inspector {

template <class... Ts>
struct strange {};
struct plain {};

namespace {

struct hidden {};

template <class T>
std::string brief_name() {
  return brief(demangled(typeid(T).name()));
}
template <class T>
std::string unknown_part() {
  const auto what = describe(demangled(typeid(T).name()));
  return what ? "" : what.error();
}

TEST(TypeName, IsBriefWhereItsArgumentsAreTheDefaults) {
  EXPECT_EQ(brief_name<unsigned long>(), "unsigned long");
  EXPECT_EQ(brief_name<std::string>(), "std::string");
  EXPECT_EQ(brief_name<std::u16string>(), "std::u16string");
  using table = std::map<std::string, std::vector<std::pair<int, std::wstring>>>;
  EXPECT_EQ(brief_name<table>(),
            "std::map<std::string, std::vector<std::pair<int, std::wstring>>>");
  using hashed = std::unordered_map<std::string, std::set<int>>;
  EXPECT_EQ(brief_name<hashed>(), "std::unordered_map<std::string, std::set<int>>");
  using array = std::array<bool, 3>;
  EXPECT_EQ(brief_name<array>(), "std::array<bool, 3>");
  EXPECT_EQ(brief_name<std::unique_ptr<plain>>(), "std::unique_ptr<shmark::inspector::plain>");
  EXPECT_EQ(brief_name<ref<int>>(), "shmark::ref<int>");
  using elsewhere = ref<int, sysv_backend>;
  EXPECT_EQ(brief_name<elsewhere>(), "shmark::ref<int, shmark::sysv_backend>");
}

TEST(TypeName, KeepsWhatIsNotTheDefault) {
  using descending = std::set<int, std::greater<>>;
  EXPECT_EQ(brief_name<descending>(), "std::set<int, std::greater<void>>");
  using orders = std::pair<int, std::less<int>>;
  EXPECT_EQ(brief_name<orders>(), "std::pair<int, std::less<int>>");
}

TEST(TypeName, OfAnyTextIsAName) {
  for (const std::string text : {"", " ", "<", ">", "a<", "a>", "a<b", "a<b>>", "<b>", "a<(b>)",
                                 "a<b,>", "a<,b>", "a<>::c", "a<b (*)(c<d>)>", "operator<",
                                 "main::{lambda(int)#1}", "foo<(color)1>", " const", "a const"}) {
    const auto name = parse_type(text);
    static_cast<void>(full(name));
    static_cast<void>(brief(name));
    static_cast<void>(describe(name));
  }
  for (const int depth : {1'000, 100'000}) {
    std::string deep;
    for (int i = 0; i < depth; ++i) deep += "std::vector<";
    EXPECT_FALSE(describe(parse_type(deep)));
    EXPECT_FALSE(
        describe(parse_type(deep + "int" + std::string(static_cast<std::size_t>(depth), '>'))));
  }
  EXPECT_EQ(full(parse_type("a<b (*)(c<d>), e >::f")), "a<b (*)(c<d>), e>::f");
  EXPECT_EQ(demangled(std::string(1 << 20, 'x')).head.size(), std::size_t{1} << 20);
}

TEST(TypeName, SaysWhichPartOfATypeIsNotKnown) {
  EXPECT_EQ(unknown_part<std::vector<int>>(), "");
  EXPECT_EQ(unknown_part<plain>(), "shmark::inspector::plain");
  EXPECT_EQ(unknown_part<hidden>(), "shmark::inspector::(anonymous namespace)::hidden");
  using within = std::map<std::string, std::vector<strange<int, std::string>>>;
  EXPECT_EQ(unknown_part<within>(), "shmark::inspector::strange<int, std::string>");
  EXPECT_EQ(unknown_part<std::shared_ptr<int>>(), "std::shared_ptr<int>");
  EXPECT_EQ(unknown_part<std::vector<int*>>(), "int*");
  EXPECT_EQ(unknown_part<std::vector<int>::iterator>(),
            "__gnu_cxx::__normal_iterator<int*, std::vector<int>>");
}

}  // namespace
}  // namespace shmark::inspector
