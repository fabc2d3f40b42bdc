#include "handlers/batch_fetch/object_cache.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace banyan::handlers {
namespace {

bool is_negative(int status) { return status == 404 || status == 410; }

// A day: what is asked for more seldom is not worth its place, and dates cannot overflow.
constexpr Millis kLongest{24 * 3600 * 1000};

}  // namespace

ObjectCache::ObjectCache(shm::Region region, uint32_t slot, const event::Loop& loop,
                         const CacheSettings& settings)
    : region_(std::move(region)), cache_(region_.bytes(), slot), loop_(loop), settings_(settings) {}

ObjectCache::Found ObjectCache::find(std::string_view key, CachedObject& object) {
  if (!cache_.find(key, found_)) return Found::nothing;
  const TimePoint now = loop_.now();
  take(object);
  if (now < found_.times.fresh_until) return Found::fresh;
  if (now < found_.times.stale_until) return Found::stale;
  return object.etag.empty() ? Found::nothing : Found::outdated;
}

bool ObjectCache::peek(std::string_view key, CachedObject& object) {
  if (!cache_.find(key, found_)) return false;
  take(object);
  return true;
}

// The meta bytes are status and ETag: "200\"…\"".
void ObjectCache::take(CachedObject& object) {
  const std::string& meta = found_.meta;
  object.status = 0;
  std::from_chars(meta.data(), meta.data() + std::min<size_t>(3, meta.size()), object.status);
  object.etag.assign(meta, std::min<size_t>(3, meta.size()));
  std::swap(object.members, found_.body);
}

void ObjectCache::store(std::string_view key, const Object& object, std::string_view members,
                        TimePoint asked) {
  const bool found = object.status == 200 || object.status == 203;
  if (!found && !is_negative(object.status)) return;
  put(key, object.status, object.etag, members, object.lifetime, asked);
}

void ObjectCache::renew(std::string_view key, const CachedObject& object, const Lifetime& lifetime,
                        TimePoint asked) {
  put(key, object.status, object.etag, object.members, lifetime, asked);
}

void ObjectCache::put(std::string_view key, int status, std::string_view etag, std::string_view members,
                      const Lifetime& lifetime, TimePoint asked) {
  if (!lifetime.storable || cache_.is_purged(key, asked)) return;
  const bool negative = is_negative(status);
  const Millis fresh =
      std::min(lifetime.fresh.value_or(negative ? settings_.negative_ttl : settings_.ttl), kLongest);
  const Millis stale =
      negative ? Millis(0)
               : std::min(lifetime.while_revalidate.value_or(settings_.stale_while_revalidate), kLongest);
  if (fresh + stale <= Millis(0) && (negative || etag.empty())) return;
  const TimePoint now = loop_.now();
  cache_.insert(key, fmt::format("{:03}{}", status, etag), members,
                {asked, now + fresh, now + fresh + stale});
}

}  // namespace banyan::handlers
