/**
 * Adds up JSON reports of the test runner: prints the names of the tests that failed and, as the last line,
 * `N passed, N failed`.
 *
 *   node scripts/count-tests.mjs REPORT...
 *
 * A file of tests that does not even load, and a report that was never written, count as one failure each: both
 * would otherwise look like success. Tests that a loop cannot pass by its nature, which say so in their name, are no gap.
 */
import { readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
let skipped = 0;
let impossible = 0;
for (const path of process.argv.slice(2)) {
  const report = readReport(path);
  if (report === undefined) {
    process.stdout.write(`no report in ${path}: the test run did not finish\n`);
    failed += 1;
    continue;
  }
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  for (const file of report.testResults) {
    const hasOwn = file.assertionResults.some((result) => result.status === 'failed');
    for (const { status, title, fullName, failureMessages } of file.assertionResults) {
      if (status === 'failed') process.stdout.write(`failed: ${file.name}: ${fullName}\n${firstLine(failureMessages)}`);
      if (status === 'passed' || status === 'failed') continue;
      if (/ \(not on [\w ]+: .+\)$/.test(title)) impossible += 1;
      else skipped += 1;
    }
    if (file.status === 'failed' && !hasOwn) {
      process.stdout.write(`failed: ${file.name}: ${file.message}\n`);
      failed += 1;
    }
  }
}
if (impossible > 0) process.stdout.write(`${impossible} are not for the loop they would run on\n`);
if (skipped > 0) process.stdout.write(`${skipped} skipped\n`);
// Where nothing may be skipped, also not by a condition that the test runner knows and `needs` does not.
if (process.env.PEN_NO_SKIP !== undefined) failed += skipped;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function firstLine(messages) {
  return `  ${messages[0]?.split('\n', 1)[0] ?? 'without a word'}\n`;
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
