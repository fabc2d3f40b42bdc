// What banyanctl prints for people, made from the JSON of the admin API. Members that are not there print as
// nothing, so that it gets along with an older or newer daemon. Empty when the text is not JSON at all.
#pragma once

#include <string>

namespace banyan::ctl {

using Printer = std::string (*)(const std::string& body);

std::string print_status(const std::string& body);
std::string print_rollouts(const std::string& body);
std::string print_rollout(const std::string& body);
std::string print_changed_rollout(const std::string& body);
std::string print_upstreams(const std::string& body);
std::string print_changed_server(const std::string& body);
std::string print_purged(const std::string& body);
std::string print_routes(const std::string& body);
std::string print_handlers(const std::string& body);
std::string print_journal(const std::string& body);
std::string print_explanation(const std::string& body);
std::string print_reload(const std::string& body);
std::string print_history(const std::string& body);
std::string print_confirmed(const std::string& body);
std::string print_config(const std::string& body);
std::string print_as_is(const std::string& body);

}  // namespace banyan::ctl
