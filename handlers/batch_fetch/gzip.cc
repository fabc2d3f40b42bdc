#include "handlers/batch_fetch/gzip.h"

#include <algorithm>

#include "base/check.h"

namespace banyan::handlers {
namespace {

constexpr int kRaw = -15;  // no zlib header
constexpr int kMemory = 8;

std::string_view bytes_of(const Bytef* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

Gzip::~Gzip() {
  if (made_) deflateEnd(&stream_);
}

bool Gzip::has_time(TimePoint now) {
  const auto earned = std::chrono::duration_cast<Duration>((now - counted_) * kShare);
  counted_ = now;
  credit_ = std::min<Duration>(kMostCredit, credit_ + std::min<Duration>(earned, kMostCredit));
  return credit_ > Duration(0);
}

std::string_view Gzip::head() {
  constexpr std::string_view kHead("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  return kHead;
}

bool Gzip::begin(int level) {
  if (!made_) {
    made_ = deflateInit2(&stream_, level, Z_DEFLATED, kRaw, kMemory, Z_DEFAULT_STRATEGY) == Z_OK;
    level_ = level;
    return made_;
  }
  if (deflateReset(&stream_) != Z_OK) return false;
  if (level == level_) return true;
  level_ = level;
  return deflateParams(&stream_, level, Z_DEFAULT_STRATEGY) == Z_OK;
}

std::string_view Gzip::compress(std::initializer_list<std::string_view> texts, Sum& sum) {
  const TimePoint began = MonotonicClock::now();
  CHECK(begin(has_time(began) ? 1 : 0));
  size_t size = 0;
  for (std::string_view text : texts) size += text.size();
  packed_.resize(deflateBound(&stream_, size) + 16);
  stream_.next_out = reinterpret_cast<Bytef*>(packed_.data());
  stream_.avail_out = static_cast<uInt>(packed_.size());
  Sum mine;
  size_t left = texts.size();
  for (std::string_view text : texts) {
    const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
    mine.crc = static_cast<uint32_t>(crc32_z(mine.crc, bytes, text.size()));
    mine.size += text.size();
    stream_.next_in = const_cast<Bytef*>(bytes);
    stream_.avail_in = static_cast<uInt>(text.size());
    const int done = deflate(&stream_, --left == 0 ? Z_FULL_FLUSH : Z_NO_FLUSH);
    CHECK(done == Z_OK || done == Z_BUF_ERROR);
  }
  sum.add(mine);
  credit_ -= MonotonicClock::now() - began;
  return bytes_of(reinterpret_cast<const Bytef*>(packed_.data()), packed_.size() - stream_.avail_out);
}

void Gzip::Sum::add(const Sum& next) {
  crc = size == 0 ? next.crc
                  : static_cast<uint32_t>(crc32_combine(crc, next.crc, static_cast<z_off_t>(next.size)));
  size += next.size;
}

std::string Gzip::tail(const Sum& whole) {
  std::string text("\x03\0", 2);  // an empty last block
  for (uint32_t word : {whole.crc, static_cast<uint32_t>(whole.size)}) {
    for (int shift = 0; shift < 32; shift += 8) text.push_back(static_cast<char>(word >> shift & 0xff));
  }
  return text;
}

}  // namespace banyan::handlers
