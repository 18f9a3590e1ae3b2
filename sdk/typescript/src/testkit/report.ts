// What the suite found.

import { type Case, holds, meaning } from "./cases.js";

/**
 * How one case ended:
 *
 * - `passed`: the door stayed closed;
 * - `failed`: somebody got in, and `detail` says how;
 * - `untried`: the case could not be tried; something is wrong, so the report does not pass;
 * - `skipped`: the case does not apply to this back end.
 */
export interface Outcome {
  /** What was tried. */
  readonly case: Case;
  /** How it ended. */
  readonly result: "passed" | "failed" | "untried" | "skipped";
  /** How somebody got in, or why it was not tried; empty if it passed. */
  readonly detail: string;
}

/** The outcome of every case. As text it is a list that a developer can act on. */
export class Report {
  /** Every case with its outcome, in the order in which they were tried. */
  readonly outcomes: readonly Outcome[];

  /** A report of these outcomes. */
  constructor(outcomes: readonly Outcome[]) {
    this.outcomes = outcomes;
  }

  /** Whether every case passed or does not apply. */
  get passed(): boolean {
    return this.outcomes.every(isGood);
  }

  /** One line for each case, and for each that is not as it should be, what it means. */
  toString(): string {
    const bad = this.outcomes.filter((outcome) => !isGood(outcome)).length;
    const head = `The second factor of this back end: ${bad} of ${this.outcomes.length} cases are not as they should be.`;
    return [head, ...this.outcomes.map(line)].join("\n") + "\n";
  }
}

function isGood({ result }: Outcome): boolean {
  return result === "passed" || result === "skipped";
}

function line({ case: of, result, detail }: Outcome): string {
  const indented = `\n${" ".repeat(11)}`;
  switch (result) {
    case "passed":
      return `  ok       ${holds(of)}`;
    case "skipped":
      return `  skipped  ${holds(of)}: ${detail}`;
    case "untried":
      return `  UNTRIED  ${holds(of)}${indented}${detail}`;
    case "failed":
      return `  FAILED   ${holds(of)}${indented}${detail}${indented}${meaning(of)}`;
  }
}
