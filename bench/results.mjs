/** The file of results: a head, and a section for each thing that is measured. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

/** Sections of an earlier run, by their first lines. */
export const readSections = async (path) => {
  if (!existsSync(path)) return new Map();
  const [, ...sections] = (await readFile(path, 'utf8')).trimEnd().split(/\n\n(?=## )/);
  return new Map(sections.map((text) => [text.split('\n', 1)[0], text]));
};

/** The head of an earlier run: peers that were not measured again are what they were. */
export const readHead = async (path) => (await readFile(path, 'utf8')).split(/\n\n(?=## )/, 1)[0];

export const head = (versions) =>
  [
    '# Results',
    '',
    'Made by `npm run bench -- --write`; [README.md](README.md) says what is measured and how. Milliseconds a step: the least and the',
    'median of the rounds, and the values between which the middle half lies. A ratio says how many times faster ours is than the best',
    'of the peers, median against median (and least against least): above 1 ours is the faster one.',
    'The load below each section says whether the machine was quiet (near 0 to 1 but for the benchmark itself); where it was not, two threads of',
    'PyTorch wait for each other, and its times with one thread and the processor time say more.',
    '',
    `- ${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `- ${versions.slice(1).join(', ')}`,
  ].join('\n');
