#include "base/constant_time.h"

namespace banyan {

bool equal_in_constant_time(std::string_view given, std::string_view expected) {
  if (expected.empty()) return false;
  unsigned difference = given.size() != expected.size();
  for (size_t i = 0; i < given.size(); ++i) {
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected[i % expected.size()]);
  }
  return difference == 0;
}

}  // namespace banyan
