#include "process/generation.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/log.h"
#include "event/loop.h"
#include "handlers/all_handlers.h"
#include "http/inbound.h"
#include "upstream/forward.h"

namespace banyan::process {
namespace {

const handler::HandlerType* find_type(std::string_view name) {
  for (const handler::HandlerType& type : handlers::all_handlers()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

http::InboundSettings inbound_settings(const config::Client& client) {
  http::InboundSettings settings;
  settings.handshake_timeout = client.timeouts.tls_handshake;
  settings.header_timeout = client.timeouts.header;
  settings.body_timeout = client.timeouts.body;
  settings.write_timeout = client.timeouts.write;
  settings.keepalive_timeout = client.timeouts.keepalive;
  settings.keepalive_age = client.timeouts.keepalive_age;
  settings.tunnel_timeout = client.timeouts.tunnel;
  settings.keepalive_requests = client.limits.keepalive_requests;
  settings.body_rate = client.limits.body_rate;
  settings.body_rate_after = client.limits.body_rate_after;
  settings.response_rate = client.limits.response_rate;
  settings.response_rate_after = client.limits.response_rate_after;
  settings.limits.head = client.limits.head;
  settings.limits.line = client.limits.line;
  settings.limits.fields = client.limits.fields;
  return settings;
}

}  // namespace

// Each step takes what the steps before it have made; a step that fails leaves a diagnostic, and what hangs
// on it is left out without another one.
class Generation::Builder {
 public:
  Builder(Generation& made, const Surroundings& surroundings, const Generation* previous,
          const Options& options)
      : made_(made), here_(surroundings), previous_(previous), options_(options) {}

  std::vector<config::Diagnostic> build() {
    make_upstreams();
    make_handlers();
    make_rollouts();
    make_script();
    make_routes();
    make_doors();
    made_.site_ = {
        .config = &config(),
        .router = made_.router_.get(),
        .targets = &made_,
        .script = made_.script_.get(),
        .script_number = here_.upstreams.directory.find(shm::Kind::script, config().lua.routes.path),
        .inbound = inbound_settings(config().client)};
    return std::move(diagnostics_);
  }

 private:
  const config::Config& config() const { return made_.config(); }

  void report(const config::Where& where, std::string path, std::string message,
              config::Diagnostic::Severity severity = config::Diagnostic::Severity::error) {
    diagnostics_.push_back({severity, where, std::move(path), std::move(message)});
  }

  void add_endpoint(const std::string& name, handler::Handler* handler) {
    auto holder = std::make_unique<TargetHolder>();
    holder->endpoint = {.name = name, .handler = handler};
    holder->target.endpoint = &holder->endpoint;
    made_.targets_[name] = std::move(holder);
  }

  void make_upstreams() {
    for (const config::Upstream& settings : config().upstreams) {
      UpstreamHolder& holder = made_.upstreams_[settings.name];
      auto before =
          previous_ ? previous_->upstreams_.find(settings.name) : decltype(previous_->upstreams_.end())();
      bool same =
          previous_ && before != previous_->upstreams_.end() && before->second.group->settings() == settings;
      holder.group = same ? before->second.group : make_group(settings);
      if (!holder.group) {
        made_.upstreams_.erase(settings.name);
        continue;
      }
      holder.handler = upstream::make_forward_handler(holder.group);
      add_endpoint("upstream." + settings.name, holder.handler.get());
    }
  }

  std::shared_ptr<upstream::Group> make_group(const config::Upstream& settings) {
    std::unique_ptr<net::TlsContext> tls;
    if (settings.tls) {
      auto context = net::TlsContext::make_client(*settings.tls);
      if (!context) {
        report(settings.where, "upstream." + settings.name + ".tls", context.error().message);
        return nullptr;
      }
      tls = std::make_unique<net::TlsContext>(std::move(*context));
      check_dates(*tls, settings.where, "upstream." + settings.name + ".tls", false);
    }
    return std::make_shared<upstream::Group>(settings, here_.upstreams, std::move(tls));
  }

  void make_handlers() {
    for (const config::HandlerEntry& entry : config().handlers) {
      std::shared_ptr<HandlerHolder> holder = carried_over(entry);
      if (!holder) holder = make_handler(entry);
      if (!holder) continue;
      made_.handlers_[entry.name] = holder;
      add_endpoint("handler." + entry.name, holder->handler.get());
    }
  }

  std::shared_ptr<HandlerHolder> carried_over(const config::HandlerEntry& entry) const {
    if (!previous_) return nullptr;
    auto found = previous_->handlers_.find(entry.name);
    return found != previous_->handlers_.end() && found->second->entry == entry ? found->second : nullptr;
  }

  std::shared_ptr<HandlerHolder> make_handler(const config::HandlerEntry& entry) {
    const handler::HandlerType* type = find_type(entry.type);
    CHECK(type);  // the loader refuses unknown types
    auto holder = std::make_shared<HandlerHolder>();
    holder->entry = entry;
    Result<std::unique_ptr<handler::Handler>> made = type->make(holder->entry, here_.services);
    if (!made) {
      report(entry.where, "handler." + entry.name, made.error().message);
      return nullptr;
    }
    holder->handler = std::move(*made);
    return holder;
  }

  void make_rollouts() {
    for (const config::Rollout& rollout : config().rollouts) {
      const route::Target* legacy = made_.find_target(rollout.legacy.text());
      const route::Target* native = made_.find_target(rollout.native.text());
      if (!legacy || !native) continue;
      auto holder = std::make_unique<TargetHolder>();
      holder->rollout.plan = rollout::make_plan(rollout);
      holder->rollout.number = here_.upstreams.directory.find(shm::Kind::rollout, rollout.name);
      holder->rollout.state = &rollout::state_cell(here_.upstreams.segment, holder->rollout.number);
      holder->rollout.legacy = *legacy->endpoint;
      holder->rollout.native = *native->endpoint;
      holder->target.rollout = &holder->rollout;
      made_.targets_["rollout." + rollout.name] = std::move(holder);
    }
  }

  void make_script() {
    const config::Lua& lua = config().lua;
    if (lua.routes.empty()) return;
    lua::Limits limits{
        .wall = lua.limits.wall, .instructions = lua.limits.instructions, .memory = lua.limits.memory};
    lua::KnownTargets targets;
    for (const auto& [name, holder] : made_.targets_) targets.push_back(name);
    auto script = lua::Script::load(lua.routes.path, lua.routes.content, limits, std::move(targets));
    if (!script) return report_script(script.error().message);
    made_.script_ = std::move(*script);
    if (options_.run_tests) run_script_tests();
  }

  // Lua says "routes.lua:7: why".
  void report_script(std::string_view message) {
    config::Where where{.file = config().lua.routes.path, .column = 1};
    std::string_view rest = message;
    if (rest.starts_with(where.file + ":")) {
      rest.remove_prefix(where.file.size() + 1);
      auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), where.line);
      if (problem == std::errc() && std::string_view(end, 2) == ": ") {
        return report(where, "lua.routes", std::string(end + 2, rest.data() + rest.size()));
      }
    }
    report({}, "lua.routes", std::string(message));
  }

  void run_script_tests() {
    for (const lua::TestReport::Case& test : made_.script_->run_tests().cases) {
      if (!test.message.empty()) report({}, "lua.routes", "test " + test.name + ": " + test.message);
    }
  }

  void make_routes() {
    std::vector<std::unique_ptr<route::Route>> routes;
    for (const config::Route& rules : config().routes) {
      if (rules.target && !made_.find_target(rules.target->text())) continue;
      uint32_t number = here_.upstreams.directory.find(shm::Kind::route, rules.name);
      auto route = route::Route::make(rules, number, made_);
      if (route) {
        routes.push_back(std::move(*route));
      } else {
        report(rules.where, "route", route.error().message);
      }
    }
    made_.router_ = std::make_unique<route::Router>(std::move(routes));
  }

  void make_doors() {
    for (const config::Listener& listener : config().listeners) {
      Listening& door = made_.doors_[listener.address.text()];
      door.listener = &listener;
      if (listener.tls) door.tls = make_tls(listener);
    }
  }

  const net::TlsContext* make_tls(const config::Listener& listener) {
    auto context = net::TlsContext::make(*listener.tls, &here_.ticket_keys);
    if (!context) {
      report(listener.where, "listener.tls", context.error().message);
      return nullptr;
    }
    check_dates(*context, listener.where, "listener.tls", has_same_certificate(listener));
    made_.tls_contexts_.push_back(std::make_unique<net::TlsContext>(std::move(*context)));
    return made_.tls_contexts_.back().get();
  }

  void check_dates(const net::TlsContext& context, const config::Where& where, const std::string& path,
                   bool known) {
    Result<void> dates = context.check_dates(here_.services.loop.wall());
    for (std::string& line : context.warnings(here_.services.loop.wall())) {
      report(where, path, std::move(line), config::Diagnostic::Severity::warning);
    }
    if (dates) return;
    const bool tolerated = !options_.strict || known;
    report(where, path, dates.error().message,
           tolerated ? config::Diagnostic::Severity::warning : config::Diagnostic::Severity::error);
  }

  bool has_same_certificate(const config::Listener& listener) const {
    const Listening* door = previous_ ? previous_->find_door(listener.address.text()) : nullptr;
    return door && door->listener->tls == listener.tls;
  }

  Generation& made_;
  const Surroundings& here_;
  const Generation* previous_;
  const Options& options_;
  std::vector<config::Diagnostic> diagnostics_;
};

Generation::Built Generation::build(std::shared_ptr<const Configuration> configuration,
                                    const Surroundings& surroundings, const Generation* previous,
                                    const Options& options) {
  std::shared_ptr<Generation> generation(new Generation(std::move(configuration)));
  auto diagnostics = Builder(*generation, surroundings, previous, options).build();
  return {std::move(generation), std::move(diagnostics)};
}

Generation::~Generation() = default;

void Generation::take_over_from(const Generation* previous, TimePoint now, Millis time) {
  if (previous && script_ && previous->script_) script_->carry_over(*previous->script_);
  if (previous) take_over_handlers(*previous, now, time);
  for (const auto& [name, holder] : handlers_) {
    const bool carried_over = previous && previous->has(*holder);
    if (!carried_over) holder->handler->activate();
  }
}

bool Generation::has(const HandlerHolder& holder) const {
  const auto found = handlers_.find(holder.entry.name);
  return found != handlers_.end() && found->second.get() == &holder;
}

void Generation::take_over_handlers(const Generation& previous, TimePoint now, Millis time) {
  for (const Retired& one : previous.retired_) {
    if (one.until > now) retired_.push_back(one);
  }
  for (const auto& [name, before] : previous.handlers_) {
    const auto found = handlers_.find(name);
    if (found != handlers_.end() && found->second == before) continue;
    if (found != handlers_.end() && found->second->entry.type == before->entry.type) {
      found->second->handler->succeed(*before->handler);
    } else {
      before->handler->drain(time);
      retired_.push_back({before, now + time});
    }
  }
}

void Generation::drain(Millis time) {
  for (const auto& [name, holder] : handlers_) holder->handler->drain(time);
}

const route::Target* Generation::find_target(std::string_view name) const {
  auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second->target;
}

const Generation::Listening* Generation::find_door(const std::string& address) const {
  auto found = doors_.find(address);
  return found == doors_.end() ? nullptr : &found->second;
}

std::vector<net::TlsContext::Certificate> Generation::certificates() const {
  std::map<std::string, net::TlsContext::Certificate> found;
  const auto add = [&found](const net::TlsContext& context) {
    for (const auto& certificate : context.certificates()) found.emplace(certificate.path, certificate);
  };
  for (const auto& context : tls_contexts_) add(*context);
  for (const auto& [name, holder] : upstreams_) {
    if (holder.group->tls()) add(*holder.group->tls());
  }
  std::vector<net::TlsContext::Certificate> all;
  for (auto& [path, certificate] : found) all.push_back(std::move(certificate));
  return all;
}

std::vector<std::string> Generation::certificate_warnings(WallTime now) const {
  std::set<std::string> lines;
  const auto add = [&](const net::TlsContext& context) {
    for (std::string& line : context.warnings(now)) lines.insert(std::move(line));
    if (Result<void> dates = context.check_dates(now); !dates) lines.insert(dates.error().message);
  };
  for (const auto& context : tls_contexts_) add(*context);
  for (const auto& [name, holder] : upstreams_) {
    if (holder.group->tls()) add(*holder.group->tls());
  }
  return {lines.begin(), lines.end()};
}

upstream::Group* Generation::find_group(std::string_view name) const {
  auto found = upstreams_.find(name);
  return found == upstreams_.end() ? nullptr : found->second.group.get();
}

}  // namespace banyan::process
