//! What the environment says: addresses, the database file, the lame duck.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which service this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Orders,
    Payment,
    Stock,
    Store,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Orders,
        Self::Payment,
        Self::Stock,
        Self::Store,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Orders => "orders",
            Self::Payment => "payment",
            Self::Stock => "stock",
            Self::Store => "store",
        }
    }

    pub(crate) fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|role| role.name()).collect()
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Whether dependencies open at once or one after the other; the second exists to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Parallel,
    Sequential,
}

/// Neither word.
#[derive(Debug)]
pub(crate) struct NoStart;

impl std::str::FromStr for Start {
    type Err = NoStart;

    fn from_str(word: &str) -> Result<Self, NoStart> {
        match word {
            "parallel" => Ok(Self::Parallel),
            "sequential" => Ok(Self::Sequential),
            _ => Err(NoStart),
        }
    }
}

/// A variable that does not say what it should.
#[derive(Debug, thiserror::Error)]
#[error("`{variable}={value}` is not {wanted}")]
pub(crate) struct BadVariable {
    variable: &'static str,
    value: String,
    wanted: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `SHOP_GATEWAY`, 127.0.0.1:7000.
    pub(crate) gateway: SocketAddr,
    /// `SHOP_STORE`, 127.0.0.1:7001.
    pub(crate) store: SocketAddr,
    /// `SHOP_ORDERS`, 127.0.0.1:7002.
    pub(crate) orders: SocketAddr,
    /// `SHOP_PAYMENT`, 127.0.0.1:7003.
    pub(crate) payment: SocketAddr,
    /// `SHOP_STOCK`, 127.0.0.1:7004.
    pub(crate) stock: SocketAddr,
    /// `SHOP_DATABASE`, the file of the store; `shop.db` in the temporary directory.
    pub(crate) database: PathBuf,
    /// `SHOP_LAME_DUCK_MS`, 1000.
    pub(crate) lame_duck: Duration,
    /// `SHOP_WARM_UP_MS`, how long each dependency takes to warm up and to say goodbye, as one far away does; 0.
    pub(crate) warm_up: Duration,
    /// `SHOP_START`, `parallel` or `sequential`.
    pub(crate) start: Start,
    /// `SHOP_CHARGE_MS`, how long the bank takes for one payment, 20.
    pub(crate) charge: Duration,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, BadVariable> {
        Ok(Self {
            gateway: address("SHOP_GATEWAY", 7000)?,
            store: address("SHOP_STORE", 7001)?,
            orders: address("SHOP_ORDERS", 7002)?,
            payment: address("SHOP_PAYMENT", 7003)?,
            stock: address("SHOP_STOCK", 7004)?,
            database: std::env::var_os("SHOP_DATABASE")
                .map_or_else(|| std::env::temp_dir().join("shop.db"), PathBuf::from),
            lame_duck: milliseconds("SHOP_LAME_DUCK_MS", 1_000)?,
            warm_up: milliseconds("SHOP_WARM_UP_MS", 0)?,
            start: read("SHOP_START", "`parallel` or `sequential`", Start::Parallel)?,
            charge: milliseconds("SHOP_CHARGE_MS", 20)?,
        })
    }
}

fn address(variable: &'static str, port: u16) -> Result<SocketAddr, BadVariable> {
    read(
        variable,
        "an address such as 127.0.0.1:7000",
        SocketAddr::from(([127, 0, 0, 1], port)),
    )
}

fn milliseconds(variable: &'static str, default: u64) -> Result<Duration, BadVariable> {
    read(variable, "a number of milliseconds", default).map(Duration::from_millis)
}

fn read<T: std::str::FromStr>(
    variable: &'static str,
    wanted: &'static str,
    default: T,
) -> Result<T, BadVariable> {
    let Some(value) = std::env::var_os(variable) else {
        return Ok(default);
    };
    let value = value.to_string_lossy().into_owned();
    value.parse().map_err(|_| BadVariable {
        variable,
        value,
        wanted,
    })
}
