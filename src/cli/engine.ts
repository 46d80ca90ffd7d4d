/** `ztrainc engine list`, `which` and `doctor`: what the search for a TensorFlow library finds, and whether it works. */
import { judge, places, search, type Candidate, type Search } from '../runtime/engine/tensorflow/locate.js';
import { checksumFault, expectedOf } from './engine-checksums.js';
import { EngineFault } from './engine-fault.js';
import type { InstallOptions } from './engine-install.js';
import { tryLibrary } from './engine-probe.js';
import { progressTo } from './engine-progress.js';
import { exits, streams } from './streams.js';
import { table } from './tables.js';
import { counted } from '../values/counted.js';

const cure = 'run `ztrainc engine install` to get TensorFlow';

/** Where nothing can be taken: what was tried, and what to do. One problem fits in one line. */
const nothingFound = (passedOver: readonly Candidate[]): string => {
  const [only, ...others] = passedOver.map(({ source, problem }) => `${source}: ${problem ?? 'unknown'}`);
  if (only !== undefined && others.length === 0) return `no TensorFlow can be used (${only}); ${cure}`;
  const lines = (all: readonly string[]): string => all.map((line) => `\n  ${line}`).join('');
  if (only !== undefined) return `no TensorFlow can be used; ${cure}${lines([only, ...others])}`;
  const looked = [...places()].map(({ source, absence }) => `${source}: ${absence}`);
  return `no TensorFlow was found; ${cure}${lines(looked)}`;
};

const listCommand = (): number => {
  let taken = false;
  const rows = [...places()].flatMap(({ source, absence, found }) =>
    found.length === 0
      ? [[' ', source, '-', absence]]
      : found.map(({ version, folder, problem }) => {
          const mark = problem === null && !taken ? '*' : ' ';
          taken ||= problem === null;
          // A problem names its folder or file.
          return [mark, source, version ?? '?', problem ?? folder];
        }),
  );
  for (const line of table([[' ', 'place', 'version', 'folder, or why it is not taken'], ...rows])) {
    streams.print(line);
  }
  streams.say(taken ? '* is the one that is taken' : cure);
  return exits.well;
};

const whichCommand = (): number => {
  const { chosen, passedOver } = search();
  if (chosen === null) throw new EngineFault(nothingFound(passedOver));
  streams.print(chosen.folder);
  return exits.well;
};

const found = (folder: string | undefined): Search => {
  if (folder === undefined) return search();
  const one = judge('given', folder);
  const { files, problem } = one;
  return files !== null && problem === null
    ? { chosen: { ...one, files }, passedOver: [] }
    : { chosen: null, passedOver: [one] };
};

const milliseconds = (value: number): string =>
  value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;

const doctorCommand = async (given: string | undefined): Promise<number> => {
  const { chosen, passedOver } = found(given);
  if (chosen === null) throw new EngineFault(nothingFound(passedOver));
  for (const { source, problem } of passedOver) {
    streams.say(`${source} is passed over: ${problem ?? 'unknown'}`);
  }
  const { folder, source } = chosen;
  const line = (name: string, words: string): void => streams.say(`${name.padEnd(10)} ${words}`);
  line('library', `${folder} (${source})`);
  const expected = expectedOf(folder);
  const damage =
    expected === null ? null : await checksumFault(expected, progressTo(process.stderr, process.env));
  const again =
    source === 'ztrainc engine install'
      ? 'run `ztrainc engine install` again'
      : 'install that TensorFlow again';
  if (damage !== null) throw new EngineFault(`${damage}; ${again}`);
  line(
    'checksums',
    expected === null
      ? 'none came with it, so damage would go unseen'
      : `${counted(expected.files.length, 'file is', 'files are')} whole`,
  );
  const outcome = await tryLibrary(folder, process.argv[1] ?? '');
  if ('fault' in outcome)
    throw new EngineFault(`TensorFlow of ${folder} does not work: ${outcome.fault}; ${again}`);
  const { version, devices, openMs, productMs } = outcome.works;
  line('version', version);
  const shown = devices.map((name) => name.replace(/^.*device:/, ''));
  line('devices', shown.join(', '));
  if (!shown.some((name) => name.startsWith('GPU')) && outcome.gpu !== undefined && outcome.gpu !== '') {
    line('no GPU', outcome.gpu);
  }
  line(
    'opened',
    `in ${milliseconds(openMs)}; first product of 256 × 256 matrices in ${milliseconds(productMs)}, right`,
  );
  line('result', 'all is well');
  return exits.well;
};

/** What one of the commands below `engine` was asked. */
export type EngineRequest =
  | { readonly command: 'list' | 'which' }
  | { readonly command: 'doctor'; readonly folder: string | undefined }
  | { readonly command: 'probe'; readonly folder: string }
  | { readonly command: 'install'; readonly options: InstallOptions };

const answer = async (request: EngineRequest): Promise<number> => {
  switch (request.command) {
    case 'list':
      return listCommand();
    case 'which':
      return whichCommand();
    case 'doctor':
      return doctorCommand(request.folder);
    case 'probe': {
      const { probeCommand } = await import('./engine-probe.js');
      return probeCommand(request.folder);
    }
    case 'install': {
      const { installCommand } = await import('./engine-install.js');
      return installCommand(request.options);
    }
  }
};

export const engineCommand = async (request: EngineRequest): Promise<number> => {
  try {
    return await answer(request);
  } catch (error) {
    if (!(error instanceof EngineFault)) throw error;
    streams.say(`error: ${error.message}`);
    return exits.runFailed;
  }
};
