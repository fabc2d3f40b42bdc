// The hash that must never change: it decides which side of a rollout a client is on, on every node and for
// weeks.
//
// XXH64 of the xxHash specification 0.1.1: stable_hash(bytes, seed) = XXH64(bytes, seed). Other programs can
// compute the same number with any xxHash library.
#pragma once

#include <cstdint>
#include <string_view>

namespace banyan {

uint64_t stable_hash(std::string_view bytes, uint64_t seed = 0);

}  // namespace banyan
