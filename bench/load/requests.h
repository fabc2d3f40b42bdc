// The requests to send, as bytes, made once before anything is measured.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "settings.h"

namespace bench {

class Requests {
 public:
  explicit Requests(const Settings& settings);

  // What to write next: `pipeline` requests. Lives as long as this.
  std::string_view next();

 private:
  std::vector<std::string> texts_;
  uint64_t state_ = 1;
};

}  // namespace bench
