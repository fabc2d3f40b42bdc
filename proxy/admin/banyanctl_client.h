// Asking a running Banyan: HTTP over its admin socket, or over TCP with a token.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan::ctl {

// Exit codes of banyanctl.
enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kRefused = 3, kTimeout = 4 };

struct Access {
  std::string socket;  // path; used unless `url` is set
  std::string url;     // "http://127.0.0.1:9901"
  std::string token;
  Millis timeout{60'000};
};

struct Answer {
  ExitCode code = kDone;
  std::string body;     // as the server sent it; empty if there was no answer
  std::string message;  // why it failed, for people; empty if it did not
};

// Never fails to answer: what goes wrong is in the code and the message.
Answer ask(const Access& access, std::string_view method, std::string_view path, std::string body = {});

// For one segment of a path or one value of a query.
std::string encoded(std::string_view text);

}  // namespace banyan::ctl
