// node:test with a scope: what a test starts is ended in reverse order, and a failure comes with the logs.
//
//   test('name', async (scope) => { scope.after(() => …); scope.onFailure(() => 'text for the report'); … });

import nodeTest from 'node:test';

class Scope {
  constructor() {
    this.ends = [];
    this.reports = [];
  }

  // Runs at the end of the test, last registered first; a rejection fails the test.
  after(end) {
    this.ends.push(end);
  }

  // Returns text that is added to the failure, if there is one.
  onFailure(report) {
    this.reports.push(report);
  }

  // The failures of what it ended, explained while the logs are still there.
  async finish() {
    const failures = [];
    for (const end of this.ends.reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(this.explain(error));
      }
    }
    return failures;
  }

  explain(error) {
    const text = this.reports
      .map((report) => report())
      .filter(Boolean)
      .join('\n');
    if (text === '') return error;
    const explained = new Error(`${error.message}\n${text}`);
    explained.stack = `${error.stack}\n${text}`;
    return explained;
  }
}

// options: those of node:test; the default limit is 60 s.
export function test(name, ...rest) {
  const body = rest.pop();
  const options = { timeout: 60_000, ...rest[0] };
  return nodeTest(name, options, async () => {
    const scope = new Scope();
    let failure;
    try {
      await body(scope);
    } catch (error) {
      failure = scope.explain(error);
    }
    const failures = await scope.finish();
    failure ??= failures[0];
    if (failure !== undefined) throw failure;
  });
}
