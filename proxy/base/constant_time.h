// Comparing secrets.
#pragma once

#include <string_view>

namespace banyan {

// Takes the same time wherever the texts differ (their lengths may show). False when nothing is expected.
bool equal_in_constant_time(std::string_view given, std::string_view expected);

}  // namespace banyan
