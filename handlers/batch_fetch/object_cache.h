// Objects that were fetched, kept for all workers as the finished text of their answers.
//
//   fresh      until the end of max-age, or of `ttl` when the store says nothing
//   stale      for stale-while-revalidate longer (the store's, or the option's): given out, and asked for
//   anew outdated   asked for with If-None-Match; 304 makes it fresh again
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "event/loop.h"
#include "handlers/batch_fetch/object.h"
#include "shm/regions.h"
#include "shm/shared_cache.h"

namespace banyan::handlers {

struct CacheSettings {
  Millis ttl{0};
  Millis negative_ttl{0};
  Millis stale_while_revalidate{0};
};

struct CachedObject {
  int status = 0;
  std::string etag;
  std::string members;  // see Piece
};

class ObjectCache {
 public:
  // Numbered as shm::CacheResult.
  enum class Found { fresh, stale, outdated, nothing };

  // The loop outlives it. `slot` is this process's.
  ObjectCache(shm::Region region, uint32_t slot, const event::Loop& loop, const CacheSettings& settings);

  // `object` is changed unless nothing is found; of an outdated one it has the ETag.
  Found find(std::string_view key, CachedObject& object);
  // The same whatever its age, after a 304; false if it is gone.
  bool peek(std::string_view key, CachedObject& object);
  // Keeps an answer, if it may be kept. `asked`: when the store was asked for it.
  void store(std::string_view key, const Object& object, std::string_view members, TimePoint asked);
  // The store says that it is still the same.
  void renew(std::string_view key, const CachedObject& object, const Lifetime& lifetime, TimePoint asked);

  shm::SharedCache& shared() { return cache_; }

 private:
  void take(CachedObject& object);
  void put(std::string_view key, int status, std::string_view etag, std::string_view members,
           const Lifetime& lifetime, TimePoint asked);

  shm::Region region_;
  shm::SharedCache cache_;
  const event::Loop& loop_;
  const CacheSettings settings_;
  shm::SharedCache::Found found_;
};

}  // namespace banyan::handlers
