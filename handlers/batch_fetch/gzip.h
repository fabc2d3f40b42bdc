// gzip in pieces that can be put one behind the other in any order (RFC 1951, 1952): each piece is compressed
// by itself and ends at a whole byte, so an answer can be compressed while it comes and joined at the
// deadline.
//
//   head   piece piece piece …   end, CRC-32 of all, length of all
//
// Compressing costs ten times what everything else about an object does. So only a tenth of a worker's time
// goes into it; beyond that answers are not compressed, and the rest of those that were begun is stored.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan::handlers {

class Gzip {
 public:
  Gzip() = default;
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  // Whether there is time for another answer.
  bool has_time(TimePoint now);

  static std::string_view head();
  // Compresses the texts as one piece; valid until the next call. Adds to what `sum` knows of them.
  struct Sum {
    uint32_t crc = 0;
    uint64_t size = 0;
    void add(const Sum& next);
  };
  std::string_view compress(std::initializer_list<std::string_view> texts, Sum& sum);
  // What stands after the last piece.
  static std::string tail(const Sum& whole);

 private:
  bool begin(int level);

  static constexpr double kShare = 0.1;
  static constexpr std::chrono::milliseconds kMostCredit{50};

  z_stream stream_{};
  bool made_ = false;
  int level_ = 0;
  std::string packed_;
  Duration credit_ = kMostCredit;
  TimePoint counted_{};
};

}  // namespace banyan::handlers
