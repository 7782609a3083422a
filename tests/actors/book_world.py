"""The surroundings of an owner of books: a model exchange for each symbol, and the bot's local books."""

from actors._feeds._book import Book, BookError
from actors._feeds._books import Books
from actors._records import BookItem, BookUpdate
from actors._session import Session
from actors._source import BookRule
from supervisor import Mailbox

from .book_model import SPOT, Change, Model
from .owner_world import FakeSource, World

UP = [Change(True, 1, 7)]
DEEP = [Change(False, 5, 2)]


class BookWorld(World):
    """A world with a model exchange for each symbol, and the bot's local books.

    Attributes:
        errors: What the local books have refused.
    """

    def __init__(
        self, rule: BookRule = SPOT, symbols: tuple[str, ...] = ("X",), out: Mailbox[BookItem] | None = None
    ) -> None:
        super().__init__(Books, FakeSource(rule), out, symbols)
        self.models = {symbol: Model(rule, symbol) for symbol in symbols}
        self.present = {symbol: lambda model=model: model.newest for symbol, model in self.models.items()}
        self.books = {symbol: Book(symbol) for symbol in symbols}
        self.errors: list[BookError] = []
        self.take = self.read

    @property
    def model(self) -> Model:
        return self.models["X"]

    @property
    def book(self) -> Book:
        return self.books["X"]

    def read(self, item: BookItem) -> None:
        self.out.append(item)
        if item.venue != "v":
            return
        book = self.books[item.symbol]
        try:
            book.apply(item)
        except BookError as error:
            self.errors.append(error)
        if book.live:
            assert (tuple(book.bids()), tuple(book.asks())) == self.models[item.symbol].states[book.time]

    async def begin(self) -> Session:
        """Open a connection, and bring what the venue sends first."""
        session = await self.open()
        if self.source.rule.base != "rest":
            await self.bring(session, *(model.newest for model in self.models.values()))
        await self.settle()
        return session

    @property
    def right(self) -> bool:
        return all(
            book.live and (tuple(book.bids()), tuple(book.asks())) == self.models[symbol].state
            for symbol, book in self.books.items()
        )

    def updates(self) -> list[BookUpdate]:
        return [item for item in self.out if isinstance(item, BookUpdate)]
