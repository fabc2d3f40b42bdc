// Reads answers with a Content-Length out of a stream of bytes, keeping nothing of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class Answers {
 public:
  struct Seen {
    size_t complete = 0;
    size_t errors = 0;  // of those, how many are not 2xx
  };

  // What these bytes completed. Ends the process at what is no answer with a Content-Length.
  Seen take(std::string_view bytes);
  void reset() { *this = {}; }

 private:
  void take_head(std::string_view head);

  std::string head_;  // the part of a head that is there
  uint64_t body_left_ = 0;
  bool in_body_ = false;
  bool error_ = false;
};

}  // namespace bench
