// What channels there are: GET P/_channels and GET P/_channels/NAME.
//
//   {"channels":[{"channel":"x","subscribers":3,"epoch":7,"offset":12,"age_ms":250},…]}
#pragma once

#include <memory>
#include <string>

#include "handler/handler.h"
#include "handlers/event_dispatch/hub.h"

namespace banyan::handlers {

// Answers at once. Error 404 when there is no such channel.
void answer_channel_page(handler::Call& call, EventHub& hub, const std::string& channel);
// Written in slices, as fast as the client reads.
std::unique_ptr<handler::Session> open_channels_page(handler::Call& call, std::shared_ptr<EventHub> hub);

}  // namespace banyan::handlers
