// Is something (an error, a slow answer) more frequent among native's requests than among legacy's? A test
// that may be looked at as often as one likes.
//
// Requests come in strata: those of the same seconds, n_native and n_legacy of them, m with the event, k of
// these native's. If both sides are equally likely to have the event in these seconds, however likely that
// is, then k given the other three is hypergeometric (Fisher's exact test). Against it stands Fisher's
// non-central hypergeometric distribution with odds ratio r > 1, and one stratum multiplies the evidence by
//
//   r^k / Z(r),   Z(r) = sum over j of  hypergeometric(j) × r^j
//
// which has expectation 1 when the odds are equal, and less when native is better. So the product over strata
// is a test martingale (supermartingale), and so is a weighted mean over several r: it ever reaches 1/a with
// probability at most a (Ville 1939), whenever and however often somebody looks. Conditioning on each
// stratum's own totals makes this hold when the frequency changes from stratum to stratum: day and night,
// bursts, an outage of something both sides need.
//
// Sources: Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for
// optional stopping", J. Statist. Plann. Inference 230 (2024), for tests of 2 × 2 tables in blocks; Ramdas,
// Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", Statist. Sci. 38
// (2023), for mixtures and Ville's inequality; Robbins, "Statistical methods related to the law of the
// iterated logarithm" (1970), for the mixture; Mantel and Haenszel (1959) for strata.
//
// What it takes for granted: requests of a side are independent of each other and land on their side by
// chance. One client that makes a large part of all errors and always lands on the same side looks like a bad
// side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace banyan::rollout {

struct Stratum {
  uint64_t native = 0;         // requests
  uint64_t legacy = 0;         // requests
  uint64_t native_events = 0;  // at most native
  uint64_t legacy_events = 0;  // at most legacy
};

// log Z(r) of the picture above: the logarithm of the expectation of r^J, J native's share of the events when
// sides make no difference. REQUIRES: odds > 0.
double log_normalizer(const Stratum& stratum, double odds);

class OddsTest {
  static constexpr size_t kOdds = 7;

 public:
  // What a stratum adds; one value may be added to several tests. A few microseconds.
  struct Step {
    std::array<double, kOdds> log_ratios{};
  };
  static Step step_of(const Stratum& stratum);

  void add(const Step& step);
  // Logarithm of the evidence against "native is not worse": 0 at the beginning.
  double log_evidence() const;

 private:
  // From what takes long to see to what is plain after ten requests; the weights favour the middle.
  static constexpr std::array<double, kOdds> kOddsRatios = {1.1, 1.25, 1.5, 2, 3.2, 6, 20};
  static constexpr std::array<double, kOdds> kWeights = {0.06, 0.10, 0.18, 0.26, 0.20, 0.12, 0.08};

  std::array<double, kOdds> log_ratios_{};
};

}  // namespace banyan::rollout
