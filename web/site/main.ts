/** The site: one page, read from top to bottom, whose pictures answer to the reader. */
import { defineProcessTree } from '../components/process-tree.js';
import { Address } from './address.js';
import { claimsSection } from './claims-section.js';
import { groupSection } from './group-section.js';
import { logSection } from './log-section.js';
import { keepOffline } from './offline.js';
import './site.css';
import { sumsSection } from './sums-section.js';
import { trainingSection } from './training-section.js';

defineProcessTree();

function show(): void {
  const address = new Address();
  groupSection(document.querySelector('#group') as HTMLElement, address);
  trainingSection(document.querySelector('#training') as HTMLElement, address);
  sumsSection(document.querySelector('#sums') as HTMLElement);
  logSection(document.querySelector('#log') as HTMLElement);
  claimsSection(document.querySelector('#claims') as HTMLElement);
}

// A link to another state, opened in the same tab.
addEventListener('hashchange', () => location.reload());
show();
addEventListener('load', () => keepOffline());
