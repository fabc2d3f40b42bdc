// [rollout.NAME].

#include <algorithm>

#include "config/formats.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

const Section<Force>& force_section() {
  static const Section<Force> section(
      "force", "Lets trusted clients ask for a side.",
      {field("header", &Force::header, header_name(),
             "The field that asks, with the value \"legacy\" or \"native\". From others it is removed."),
       field("from", &Force::from, list(cidr(), true), "Networks of the clients that may ask.").required()},
      [](Force& force, const Value& value) {
        const Entry* from = value.node().find("from");
        if (from && force.from.empty() && from->value.kind == Node::Kind::array &&
            from->value.items.empty()) {
          value.at("from").error("must name at least one network");
        }
      });
  return section;
}

Format<Target> side() {
  return checked<Target>(target(), [](const Target& value) {
    return value.kind == Target::Kind::rollout ? "must be an upstream or a handler; rollouts do not nest"
                                               : "";
  });
}

void check_sticky(const std::vector<ClientKey>& keys, bool assign_cookie, const Value& value) {
  const Value sticky = value.at("sticky");
  if (value.has("sticky") && sticky.node().items.size() == keys.size()) {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (std::find(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(i), keys[i]) !=
          keys.begin() + static_cast<ptrdiff_t>(i)) {
        sticky.item(i).error("is in the list twice");
      } else if (i > 0 && keys[i - 1].kind == ClientKey::Kind::client_ip) {
        sticky.item(i).warn("is never looked at: every request has a client_ip, which stands before it");
      }
    }
  }
  const bool always = std::any_of(
      keys.begin(), keys.end(), [](const ClientKey& key) { return key.kind == ClientKey::Kind::client_ip; });
  if (assign_cookie && always) {
    value.at("assign_cookie")
        .warn("has no effect: with client_ip among the sticky keys every client has a key");
  }
}

// A list that is left out when it is empty. With `one`, a single table without brackets is a list of one.
template <class T>
Format<std::vector<T>> some(const Section<T>& section, bool one) {
  Format<std::vector<T>> format = list(table(section), one);
  format.type = one ? "table or list of tables" : "list of tables";
  format.read = [read = format.read](const Value& value, std::vector<T>& result) {
    if (value.node().kind == Node::Kind::array && value.node().items.empty() && !value.node().broken) {
      return value.error("must not be empty; leave it out for none");
    }
    return read(value, result);
  };
  format.print = [print = format.print](const std::vector<T>& values) {
    return values.empty() ? std::string() : print(values);
  };
  return format;
}

}  // namespace

const Section<Rollout>& rollout_section() {
  static const Section<Rollout> section(
      "rollout",
      "A choice between two targets, by a stable hash of a sticky key: the same client gets the same side in "
      "every worker, on every node, after every restart.",
      {field("legacy", &Rollout::legacy, side(), "The side that answers at 0 percent.").required(),
       field("native", &Rollout::native, side(), "The side that answers at 100 percent.").required(),
       field("percent", &Rollout::percent, percent(),
             "Share of the native side, 0 to 100 with two decimals. The value at the start: once it was "
             "changed with banyanctl(1), the live value wins until \"banyanctl rollout reset\"."),
       field(
           "salt", &Rollout::salt, nonempty_text(),
           "Mixed into the hash. Rollouts with the same salt choose the same clients; a new salt draws anew.")
           .shown_default("the rollout's name"),
       field("sticky", &Rollout::sticky, list(client_key(), true),
             "What identifies a client: \"cookie:NAME\", \"header:NAME\" or \"client_ip\". The first that is "
             "present counts; a client with none gets a random side."),
       field("fallback", &Rollout::fallback, flag(),
             "A failed native attempt is answered by legacy, inside the same deadline, if nothing of the "
             "answer was sent and the request is safe to repeat. It counts against native."),
       field(
           "fallback_budget", &Rollout::fallback_budget, percent(),
           "Most fallbacks, as a percentage of the rollout's requests (and one a second for each worker), so "
           "that a broken native side cannot double the load on legacy. Beyond it the client gets native's "
           "failure. 100 lets all of them fall back, 0 none."),
       field("assign_cookie", &Rollout::assign_cookie, flag(),
             "A client with no sticky key gets a cookie that keeps its random side."),
       field("force", &Rollout::force, optional(table(force_section())),
             "Lets trusted clients ask for a side."),
       field(
           "steps", &Rollout::steps, some(rollout_step_section(), false),
           "The schedule: percentages that are taken one after the other, each after the hold time of the "
           "one before and, with a gate, only when native passes it. Orders of banyanctl(1) take over at any "
           "time."),
       field("soak", &Rollout::soak, duration_or_none(),
             "How long native is still watched after the last step before the rollout is done. A gate that "
             "fails until then rolls back."),
       field("start", &Rollout::start, optional(date_time()),
             "When the first step is taken, as date and time with offset: 2026-03-01T06:00:00+01:00. Until "
             "then \"percent\" holds. Without it, at once."),
       field(
           "freeze", &Rollout::freeze, some(freeze_section(), true),
           "Hours in which native's share is not raised, neither by the schedule nor by banyanctl(1) without "
           "--force. Lowering it is always allowed. Hold times go on."),
       field("gate", &Rollout::gate, optional(table(gate_section())),
             "Judges native against legacy, on the same minutes of the same routes. Without it steps advance "
             "by "
             "time alone."),
       field("on_fail", &Rollout::on_fail,
             choice<Rollout::OnFail>({{"rollback", Rollout::OnFail::rollback},
                                      {"step_back", Rollout::OnFail::step_back},
                                      {"pause", Rollout::OnFail::pause}}),
             "What a failed gate does: to 0 percent, to the step before (and from there on again), or leave "
             "the "
             "percentage and wait for an order."),
       field(
           "rollback_rate", &Rollout::rollback_rate, optional(rate()),
           "How fast a failed gate takes traffic away from native, in percentage points: \"10/m\" needs five "
           "minutes from 50 percent to 0, so that legacy can warm up. Without it at once; "
           "\"banyanctl rollout abort\" always is."),
       field("on_event", &Rollout::on_event, optional(table(rollout_hook_section())),
             "Tells others of each change of state."),
       field(
           "close_rate", &Rollout::close_rate, rate_or_off(),
           "How many long-lived connections (WebSocket, server-sent events) that a change left on the wrong "
           "side are closed, for all workers together, so that their clients come back to the right one. "
           "\"off\" leaves them until they end by themselves.")},
      [](Rollout& rollout, const Value& value) {
        if (rollout.salt.empty()) rollout.salt = rollout.name;
        if (!rollout.legacy.name.empty() && rollout.legacy == rollout.native) {
          value.at("native").error("must differ from legacy");
        }
        check_sticky(rollout.sticky, rollout.assign_cookie, value);
        check_schedule(rollout, value);
      });
  return section;
}

}  // namespace banyan::config
