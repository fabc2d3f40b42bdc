#include "handlers/event_dispatch/channel_book.h"

#include "base/check.h"

namespace banyan::handlers {

const ChannelRound::Made& ChannelRound::make(const Form& form) {
  Made& made = made_.emplace_back();
  made.form = form;
  made.whole.run = RunRef::make();
  Run& run = *made.whole.run;
  run.first_offset = first_offset();
  run.ends.reserve(events.size());
  for (const StoredEvent& event : events) {
    append_event(run.bytes, form, channel_.name, event);
    run.ends.push_back(run.size());
  }
  made.whole.end = run.size();
  made.messages = made.whole.messages();
  return made;
}

Result<void> ChannelBook::subscribe(Subscription& subscription, std::string_view name) {
  CHECK(!subscription.channel);
  Result<shm::EventLog::Joined> joined = log_.join(name);
  if (!joined.ok()) return std::move(joined).error();
  std::unique_ptr<HubChannel>& channel = channels_[joined->channel];
  // The number was used again while the last round of its former channel is still under way.
  if (channel && channel->epoch != joined->last.epoch) replaced_.push_back(std::move(channel));
  if (!channel) {
    channel = std::make_unique<HubChannel>();
    channel->name = name;
    channel->number = joined->channel;
    channel->epoch = joined->last.epoch;
    channel->joined_at = joined->last.offset;
  }
  subscription.channel = channel.get();
  subscription.after = joined->last.offset;
  subscription.behind = 0;
  subscription.previous = channel->last;
  subscription.next = nullptr;
  (channel->last ? channel->last->next : channel->first) = &subscription;
  channel->last = &subscription;
  return {};
}

void ChannelBook::unsubscribe(Subscription& subscription) {
  HubChannel* channel = std::exchange(subscription.channel, nullptr);
  if (!channel) return;
  if (walk == &subscription) walk = subscription.next;
  (subscription.previous ? subscription.previous->next : channel->first) = subscription.next;
  (subscription.next ? subscription.next->previous : channel->last) = subscription.previous;
  log_.leave(channel->number);
  drop_if_empty(*channel);
}

HubChannel* ChannelBook::find(uint32_t number, uint64_t epoch) {
  const auto found = channels_.find(number);
  return found == channels_.end() || found->second->epoch != epoch ? nullptr : found->second.get();
}

void ChannelBook::end_round(HubChannel& channel) {
  channel.round.reset();
  if (std::erase_if(replaced_, [&](const auto& one) { return one.get() == &channel; }) == 0) {
    drop_if_empty(channel);
  }
}

void ChannelBook::drop_if_empty(HubChannel& channel) {
  if (!channel.first && !channel.round) channels_.erase(channel.number);
}

}  // namespace banyan::handlers
