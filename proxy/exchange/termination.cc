#include "exchange/termination.h"

namespace banyan::exchange {
namespace {

// No connection came about, or there was nobody to connect to.
bool while_connecting(const Error& error) {
  return error.type.starts_with("connection_refused") || error.type.starts_with("connection_timeout") ||
         error.type.starts_with("destination");
}

// By what went wrong in the request itself.
Termination by_error(const Error& error, char phase) {
  const bool slow = error.status == 504 || error.status == 408;
  switch (error.fault) {
    case Fault::client:
      return {slow ? 'c' : 'C', 'R'};
    case Fault::upstream:
    case Fault::handler:
      return {slow ? 's' : 'S', phase};
    case Fault::proxy:
      break;
  }
  return {slow ? 'p' : 'P', phase};
}

}  // namespace

Termination termination_of(const TerminationFacts& facts) {
  if (facts.ended_by == LongLived::Cause::moved) return {'P', 'D'};
  if (facts.ended_by == LongLived::Cause::stopping) return {'K', 'D'};
  const char phase = facts.responded ? 'D' : 'H';
  const bool complete = facts.end == http::StreamEnd::complete;
  switch (facts.end) {
    case http::StreamEnd::client_gone:
      return {'C', phase};
    case http::StreamEnd::client_slow:
      return {'c', phase};
    case http::StreamEnd::shutdown:
      return {'K', phase};
    case http::StreamEnd::broken_off:
    case http::StreamEnd::complete:
      break;
  }
  if (facts.refused) return {'P', 'R'};
  if (!facts.error) return complete ? Termination{} : Termination{'S', 'D'};
  // A complete answer with an error is our own error page: the phase is the target's.
  return by_error(*facts.error, !complete ? phase : while_connecting(*facts.error) ? 'C' : 'H');
}

}  // namespace banyan::exchange
