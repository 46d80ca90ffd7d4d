/**
 * The whole test command: generated files, format, lint, types, the build, all tests on the embedded engine, what every engine
 * must do again on the native one, which the project's own command installs, and on its oldest supported kind, and the tests
 * again under Node 24 (all but those that hold training to thresholds). The last line is `N passed, M failed` over everything.
 *
 *   node scripts/test.mjs [--libraries 2.16.2,2.20.0]
 *
 * With `--libraries` only what depends on TensorFlow's version is tested, on these versions.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const results = join(root, '.cache', 'test-results');
const bin = (name, ...path) => join(root, 'node_modules', name, ...path);
const node = process.execPath;

let passed = 0;
let failed = 0;
const failures = [];

const count = (ok, name) => {
  if (ok) passed += 1;
  else {
    failed += 1;
    failures.push(name);
  }
};

/** Resolves to the exit code; output is held back where `quiet`, and printed when the command fails. */
const run = (command, args, { quiet = false, cwd = root, environment = {} } = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (text += data));
    child.on('error', (error) => {
      console.log(String(error));
      resolve(1);
    });
    child.on('close', (code, signal) => {
      if (code !== 0) process.stdout.write(text);
      resolve(signal === null ? (code ?? 1) : 1);
    });
  });

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

const step = async (name, command, args) => {
  const start = performance.now();
  const ok = (await run(command, args, { quiet: true })) === 0;
  count(ok, name);
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds(start)})`);
  return ok;
};

const readResults = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
};

/** Vitest, counted by test. A skipped test is a failed one: it says nothing. */
const tests = async (name, executable, more = [], environment = {}) => {
  const start = performance.now();
  const file = join(results, `${name.replace(/\W+/g, '-')}.json`);
  rmSync(file, { force: true });
  const words = [bin('vitest', 'vitest.mjs'), 'run', '--reporter=dot', '--reporter=json'];
  const code = await run(executable, [...words, `--outputFile.json=${file}`, ...more], { environment });
  const found = readResults(file);
  if (found === null) {
    count(false, `${name}: no results`);
    return;
  }
  const skipped = found.numPendingTests + found.numTodoTests;
  passed += found.numPassedTests;
  failed += found.numFailedTests + skipped;
  for (const suite of found.testResults) {
    for (const each of suite.assertionResults) {
      if (each.status !== 'passed') failures.push(`${name}: ${each.fullName} (${each.status})`);
    }
    // A file that cannot be loaded has no tests to count.
    if (suite.status === 'failed' && suite.assertionResults.every((each) => each.status === 'passed')) {
      count(false, `${name}: ${suite.name}`);
    }
  }
  if (code !== 0 && found.numFailedTests + skipped === 0 && found.success)
    count(false, `${name}: exit code ${code}`);
  console.log(
    `${name}: ${found.numPassedTests} passed, ${found.numFailedTests} failed, ${skipped} skipped (${seconds(start)})`,
  );
};

const secondNode = join(root, 'test', 'node-24');

/** Path of Node 24's binary, or null where there is none to install. */
const installSecondNode = async () => {
  const find = () =>
    [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`]
      .map((name) => join(secondNode, 'node_modules', name, 'bin', 'node'))
      .find((path) => existsSync(path)) ?? null;
  if (find() === null) await run('npm', ['ci', '--no-audit', '--no-fund'], { quiet: true, cwd: secondNode });
  return find();
};

// Versions of TensorFlow: the one that users get gets every test, an older one those of training, of draws and of how processes end.
const versions = ['2.21.0', '2.18.1'];
const libraries = join(root, '.cache', 'tensorflow');

/** The folder of a TensorFlow that the project's own command installed, or null. Kept between runs. */
const installLibrary = async (version) => {
  const environment = { XDG_CACHE_HOME: join(libraries, version), ZTRAIN_TENSORFLOW: '' };
  const ztrainc = ['dist/ztrainc.mjs', 'engine'];
  const which = () => {
    const { status, stdout } = spawnSync(node, [...ztrainc, 'which'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, ...environment },
    });
    const folder = stdout.trim();
    return status === 0 && folder.startsWith(libraries) ? folder : null;
  };
  if (which() === null) {
    await run(node, [...ztrainc, 'install', '--version', version], { quiet: true, environment });
  }
  return which();
};

/** Says what has failed, and how many tests were passed. */
const conclude = () => {
  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((name) => `  ${name}`).join('\n')}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
};

/** What another version of TensorFlow may do in another way: training, draws, and how processes end. */
const ofVersions = ['test/native/traced.test.ts', 'test/native/random.test.ts', 'test/native/exit.test.ts'];

const testLibrary = async (name, library, part) => {
  if (library === null) {
    console.log(`FAILED ${name} could not be installed (node dist/ztrainc.mjs engine install)`);
    count(false, `${name} is there`);
    return;
  }
  await tests(name, node, ['--project=native', ...part], { ZTRAIN_TENSORFLOW: library });
};

mkdirSync(results, { recursive: true });
const { values: chosen } = parseArgs({ options: { libraries: { type: 'string' } } });
if (chosen.libraries !== undefined) {
  await step('build', node, ['scripts/build.mjs']);
  for (const version of chosen.libraries.split(','))
    await testLibrary(`TensorFlow ${version}`, await installLibrary(version), ofVersions);
  conclude();
  process.exit();
}
const second = installSecondNode();
for (const script of ['messages', 'prelude', 'grammar', 'options']) {
  await step(`generated ${script} are what their source gives`, node, [
    `scripts/generate-${script}.mjs`,
    '--check',
  ]);
}
await Promise.all([
  step('format', node, [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level=warn', '.']),
  step('lint', node, [bin('eslint', 'bin', 'eslint.js'), '--max-warnings=0', '.']),
]);
await step('types', node, [bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', '.']);
// The build takes them away again.
await step('declarations of the package', node, [
  bin('typescript', 'bin', 'tsc'),
  '-p',
  'tsconfig.types.json',
]);
if (await step('build', node, ['scripts/build.mjs'])) {
  await step('committed trainers are what their specs give', node, [
    'dist/ztrainc.mjs',
    'build',
    '--check',
    'specs',
  ]);
}
// A developer may name a library of their own for the tests of the native engine.
const own = process.env.ZTRAIN_TENSORFLOW ?? '';
await tests(`Node ${process.versions.node}`, node, ['--project=embedded']);
const found = own === '' ? await Promise.all(versions.map(installLibrary)) : [own];
for (const [index, library] of found.entries()) {
  const name = own === '' ? `TensorFlow ${versions[index]}` : 'TensorFlow';
  await testLibrary(name, library, index === 0 ? [] : ofVersions);
}
const binary = await second;
if (binary === null) {
  console.log('FAILED Node 24 could not be installed from the registry (npm ci in test/node-24)');
  count(false, 'Node 24 is there');
} else {
  await tests('Node 24', binary, ['--project=embedded', '--exclude=test/specs/training.test.ts']);
  const [library = null] = found;
  if (library !== null) {
    const smoke = ['--project=native', 'test/native/exit.test.ts', 'test/native/random.test.ts'];
    await tests('Node 24, TensorFlow', binary, smoke, { ZTRAIN_TENSORFLOW: library });
  }
}
conclude();
