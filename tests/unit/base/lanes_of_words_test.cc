// The lanes of machines without SSE2, under another name as both are in one program.
#include "unit/base/lanes_cases.h"

#undef __SSE2__
#define banyan banyan_of_words
#include "base/lanes.h"
#undef banyan

namespace banyan_of_words {
namespace {

static_assert(Lanes::kCount == 8);

TEST(LanesOfWords, AgreeWithTheBytes) { banyan_test::agree_with_bytes<Lanes>(); }

}  // namespace
}  // namespace banyan_of_words
