// Loaded before an Azurite in memory: what it needs to stay quick with tens of thousands of blobs.

// It throws away what was overwritten every ten minutes, in a time that grows with the square of the number of
// blobs, and answers nobody meanwhile: for minutes. In memory it need not.
require("azurite/dist/src/blob/utils/constants").DEFAULT_GC_INTERVAL_MS = 2 ** 31 - 1;

// Its database looks first for what a query names first, which is the account, and then at all that is in it, for
// each request. The blob's own name is as well indexed, and leaves one or two.
const Loki = require("lokijs");
const queries = Object.getPrototypeOf(new Loki("").addCollection("any").chain());
const { findAnd } = queries;
queries.findAnd = queries.$and = function (parts) {
  const exact = (part) => typeof part.name === "string";
  return findAnd.call(this, [...parts].sort((a, b) => exact(b) - exact(a)));
};

// Where one blob is deleted, it sorts all indexes anew. It has a way to remove one document that does not.
const collections = Object.getPrototypeOf(new Loki("").addCollection("any"));
const { removeBatchByPositions } = collections;
collections.removeBatchByPositions = function (positions) {
  if (positions.length === 1) this.remove(this.data[positions[0]]);
  else removeBatchByPositions.call(this, positions);
};
