#include "base/lanes.h"

#include "unit/base/lanes_cases.h"

namespace banyan {
namespace {

TEST(Lanes, AgreeWithTheBytes) { banyan_test::agree_with_bytes<Lanes>(); }

}  // namespace
}  // namespace banyan
