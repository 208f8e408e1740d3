// Preloaded into an in-memory Azurite: keeps it fast with tens of thousands of blobs.

// Every ten minutes, Azurite collects overwritten data. That takes time quadratic in the number of blobs, minutes
// during which it answers no requests, and is unnecessary in memory.
require("azurite/dist/src/blob/utils/constants").DEFAULT_GC_INTERVAL_MS = 2 ** 31 - 1;

// Its database filters by the first property of a query, the account, and then scans all blobs of the account on each
// request. The blob's name is indexed too and leaves one or two candidates.
const Loki = require("lokijs");
const queries = Object.getPrototypeOf(new Loki("").addCollection("any").chain());
const { findAnd } = queries;
queries.findAnd = queries.$and = function (parts) {
  const exact = (part) => typeof part.name === "string";
  return findAnd.call(this, [...parts].sort((a, b) => exact(b) - exact(a)));
};

// Deleting one blob rebuilds all indexes. Removing a single document does not.
const collections = Object.getPrototypeOf(new Loki("").addCollection("any"));
const { removeBatchByPositions } = collections;
collections.removeBatchByPositions = function (positions) {
  if (positions.length === 1) this.remove(this.data[positions[0]]);
  else removeBatchByPositions.call(this, positions);
};
