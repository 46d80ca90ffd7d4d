/** `ztrainc init`: a template's files, written where nothing is in the way. */
import { constants, copyFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findPackageRoot } from '../codegen/package-root.js';
import { nearest } from '../parser/nearest.js';
import { reasonOf } from '../node-host.js';
import { makeFolder } from '../values/folders.js';
import { calledAs } from './called.js';
import { shownPath } from './specs.js';
import { Misuse, exits, streams } from './streams.js';

const templatesFolder = (): string => join(findPackageRoot().folder, 'templates');

const templateNames = (): readonly string[] =>
  readdirSync(templatesFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

/** The first words of the template's page. */
const describe = (name: string): string => {
  const page = join(templatesFolder(), name, 'README.md');
  const lines = existsSync(page) ? readFileSync(page, 'utf8').split('\n') : [];
  return lines.find((line) => line.trim() !== '' && !line.startsWith('#'))?.trim() ?? '';
};

/** A package's own `.gitignore` does not survive `npm pack`, so templates have it without the dot. */
const targetName = (name: string): string => (name === 'gitignore' ? '.gitignore' : name);

/** Most folders have these, and a project works with those of its folder. */
const kept: ReadonlySet<string> = new Set(['README.md', 'gitignore']);

/** All files below a folder, by their paths from it. */
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesIn(join(folder, entry.name)).map((name) => join(entry.name, name))
      : [entry.name],
  );

const listTemplates = (): number => {
  const names = templateNames();
  const width = Math.max(...names.map((name) => name.length));
  for (const name of names) streams.print(`${name.padEnd(width)}  ${describe(name)}`.trimEnd());
  streams.say(`\nwrite one: ${calledAs()} init ${names[0] ?? 'TEMPLATE'} [dir]`);
  return exits.well;
};

export const initCommand = (template: string | undefined, dir: string | undefined): number => {
  if (template === undefined) return listTemplates();
  const names = templateNames();
  if (!names.includes(template)) {
    const [near] = nearest(template, names, 1);
    const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`;
    throw new Misuse(`there is no template ${JSON.stringify(template)}; ${hint}`);
  }
  const source = join(templatesFolder(), template);
  const target = dir ?? template;
  const files = filesIn(source).map((name) => ({ name, path: join(target, targetName(name)) }));
  const there = files.filter(({ path }) => existsSync(path));
  const taken = there.filter(({ name }) => !kept.has(name)).map(({ path }) => path);
  if (taken.length > 0) {
    const verb = taken.length === 1 ? 'is' : 'are';
    throw new Misuse(
      `${taken.join(', ')} ${verb} there already and ${verb} not overwritten; name another folder`,
    );
  }
  for (const { name, path } of files) {
    if (there.some((other) => other.name === name)) {
      streams.say(`kept ${shownPath(path)}, which is there already`);
      continue;
    }
    try {
      makeFolder(dirname(path));
      copyFileSync(join(source, name), path, constants.COPYFILE_EXCL);
    } catch (error) {
      throw new Misuse(`cannot write ${shownPath(path)}: ${reasonOf(error)}`);
    }
    streams.say(`wrote ${shownPath(path)}`);
  }
  const spec = files.find(({ name }) => name.endsWith('.ztrain'));
  if (spec !== undefined) streams.say(`\nnext: ${calledAs()} run ${spec.path}`);
  return exits.well;
};
