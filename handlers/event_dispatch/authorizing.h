// A subscriber's request while another target is asked whether it may go on (`authorize`).
#pragma once

#include <functional>
#include <memory>

#include "handler/handler.h"
#include "handlers/event_dispatch/subrequest.h"

namespace banyan::handlers {

class Authorizing final : public handler::Session {
 public:
  using Next = std::function<std::unique_ptr<handler::Session>()>;
  // 2xx: the call goes on with next(). 401, with its WWW-Authenticate, and 403 are passed on, anything else
  // is 500, as in nginx.
  Authorizing(event::Loop& loop, BufferPools& buffers, handler::Call& call, std::string path, Next next);
  void begin(handler::Handler& target) { subrequest_->open(target); }

 private:
  void on_done();

  BufferPools& buffers_;
  handler::Call& call_;
  Next next_;
  std::unique_ptr<Subrequest> subrequest_;
  std::unique_ptr<handler::Session> session_;  // what the call goes on with
};

}  // namespace banyan::handlers
