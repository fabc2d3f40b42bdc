#include "handlers/event_dispatch/authorizing.h"

#include <fmt/format.h>

#include "handlers/event_dispatch/refusal.h"

namespace banyan::handlers {
namespace {

constexpr Millis kTimeout{5'000};

}  // namespace

Authorizing::Authorizing(event::Loop& loop, BufferPools& buffers, handler::Call& call, std::string path,
                         Next next)
    : buffers_(buffers),
      call_(call),
      next_(std::move(next)),
      subrequest_(std::make_unique<Subrequest>(loop, call, std::move(path), kTimeout,
                                               Callback::to<&Authorizing::on_done>(this))) {}

void Authorizing::on_done() {
  const int status = subrequest_->status();
  if (status >= 200 && status < 300) {
    session_ = next_();
  } else if (status == 401 || status == 403) {
    http::Fields challenges;
    if (status == 401) {
      for (const http::Field& field : subrequest_->challenges()) challenges.add(field);
    }
    // RFC 9110 section 15.5.2: there must be one.
    if (status == 401 && challenges.size() == 0) challenges.add("WWW-Authenticate", kTokenWanted);
    answer_refusal(call_, buffers_, client_error(status, "not allowed by the service that was asked"),
                   challenges);
  } else {
    call_.fail(handler_error(500, fmt::format("the service that is to authorize answered {}",
                                              status > 0 ? fmt::format("{}", status) : "nothing")));
  }
}

}  // namespace banyan::handlers
