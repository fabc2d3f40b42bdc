#include "base/stable_hash.h"

#include <xxhash.h>

namespace banyan {

uint64_t stable_hash(std::string_view bytes, uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

}  // namespace banyan
