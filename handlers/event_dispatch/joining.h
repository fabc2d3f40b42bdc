// A subscriber's request, from its acceptance until its connection is handed over.
//
// It listens to its channels from the beginning, so that nothing is lost that comes while the answer's head
// is on its way: whoever sees the head may publish and rely on getting it.
#pragma once

#include <memory>

#include "handler/handler.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/hub.h"
#include "handlers/event_dispatch/rights.h"

namespace banyan::handlers {

// By whose leave it comes.
struct Admission {
  std::shared_ptr<const Rights> judge;
  std::unique_ptr<Grant> grant;  // what it may do; null: everything
};

// `cors` are further fields of the answer's head.
//
// Null: the call was answered with an error. REQUIRES: http::asks_for_websocket().
std::unique_ptr<handler::Session> join_by_websocket(handler::Call& call, std::shared_ptr<EventHub> hub,
                                                    const EventQuery& query, Admission admission);
// A Last-Event-ID counts more than "since" in the query, which a client sends again when it comes back.
std::unique_ptr<handler::Session> join_by_event_stream(handler::Call& call, std::shared_ptr<EventHub> hub,
                                                       const EventQuery& query, Admission admission,
                                                       const http::Fields& cors);

}  // namespace banyan::handlers
