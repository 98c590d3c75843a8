/** `lambda-grpo init`: creates a project and prints the next commands. */
import { relative, resolve } from 'node:path';
import { newProject } from '../train/index.js';
import { print } from './terminal.js';

export async function initCommand(folder: string): Promise<void> {
  const { written, starts, needsInstall } = await newProject(folder);
  const place = relative(process.cwd(), resolve(folder));
  print(`${place === '' ? 'this folder' : place}: ${written.join(', ')}`);
  const steps = [
    ...(place === '' ? [] : [`cd ${/\s/.test(place) ? `"${place}"` : place}`]),
    ...(needsInstall ? ['npm install'] : []),
    starts ? 'npm start' : 'npx lambda-grpo train train.yaml',
  ];
  print(`next:\n${steps.map((step) => `  ${step}`).join('\n')}`);
  print('task.ts defines the problems and the reward; train.yaml configures the run.');
}
