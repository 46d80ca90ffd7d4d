/** How `ztrainc` was called, for lines that a reader is to type: where npm ran it, it is on nobody's path. */

/** `npx ztrainc`, or `npm run ztrainc --` of a package whose script has that name. */
export const calledAs = (environment: NodeJS.ProcessEnv = process.env): string => {
  const { npm_lifecycle_event: event, npm_lifecycle_script: script = '' } = environment;
  if (!script.includes('ztrainc')) return 'ztrainc';
  if (event === 'npx') return 'npx ztrainc';
  return event === 'ztrainc' ? 'npm run ztrainc --' : 'ztrainc';
};
