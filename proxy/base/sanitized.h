// Whether this is a build with the address sanitizer, which has a heap of its own and takes its time.
#pragma once

namespace banyan {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace banyan
