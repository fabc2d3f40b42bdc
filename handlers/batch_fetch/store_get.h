// One GET on one connection to the store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "event/deferred.h"
#include "handlers/batch_fetch/connections.h"
#include "handlers/batch_fetch/object.h"
#include "http/body_pipe.h"
#include "http/h1_outbound.h"
#include "http/head.h"

namespace banyan::handlers {

// What a GET needs of memory; kept from one to the next.
struct GetParts {
  explicit GetParts(event::Loop& loop) : pipe(loop) {}

  http::BodyPipe pipe;  // of the answer
  http::RequestHead head;
  std::string path;
  void reset();
};
using GetSpares = std::vector<std::unique_ptr<GetParts>>;

class StoreGet final : http::H1Outbound::User, http::BodyReader::Listener {
 public:
  class Listener {
   public:
    // What came. From the loop, never inside begin(); may destroy the GET and start others.
    virtual void on_object(StoreGet& get, Object object) = 0;

   protected:
    ~Listener() = default;
  };

  // Everything must outlive it. The caller fills parts().head before begin().
  StoreGet(handler::Services& services, Connections& connections, GetSpares& spares, size_t max_object,
           Listener& listener);
  // Ends the GET; the connection of one under way is closed.
  ~StoreGet();
  StoreGet(const StoreGet&) = delete;
  StoreGet& operator=(const StoreGet&) = delete;

  GetParts& parts() { return *parts_; }
  // `fresh`: on a connection that was not used before.
  void begin(bool fresh);
  // Begun at.
  TimePoint began() const { return began_; }

 private:
  void on_interim(const http::ResponseHead&) override {}
  void on_response(const http::ResponseHead& head) override;
  void on_exchange_end() override;
  void on_failure(const Error& error) override;
  void on_body() override;
  void on_notice();
  bool drain();
  void let_go();
  void tell(Object object);

  handler::Services& services_;
  Connections& connections_;
  GetSpares& spares_;
  std::unique_ptr<GetParts> parts_;
  const size_t max_object_;
  Listener& listener_;
  std::unique_ptr<http::H1Outbound> connection_;
  const http::ResponseHead* head_ = nullptr;  // the connection's, until it is let go
  Bytes body_;
  Error problem_;  // that it could not be begun
  event::Deferred notice_;
  TimePoint began_{};
  bool reused_ = false;
};

}  // namespace banyan::handlers
